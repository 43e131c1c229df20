# Airflow 3.3 with Order Relay; the API server serves its order desk and endpoints as well. The image brings Airflow's
# constraints file, which chooses the version of each dependency that it lists; the package's ranges admit them (scripts/check_versions.sh).
FROM apache/airflow:3.3.2-python3.13

# What the batch store needs: s3, gcs, azure, or several separated by commas; empty for a volume that all workers mount
ARG EXTRAS=""

# The build writes into its folder. A new volume at /opt/airflow/batches takes over that folder's owner, so that no container needs root.
RUN mkdir /tmp/order-relay /opt/airflow/batches
WORKDIR /tmp/order-relay
COPY --chown=airflow:0 pyproject.toml setup.py README.md ./
COPY --chown=airflow:0 include ./include
# Airflow is named so that pip keeps it at its version.
RUN pip install --no-cache-dir --constraint "${HOME}/constraints.txt" "apache-airflow==${AIRFLOW_VERSION}" ".${EXTRAS:+[${EXTRAS}]}" \
 && pip check \
 && rm -rf /tmp/order-relay/*

# DAG and pipeline files belong to root; Airflow's user cannot change them.
COPY --chmod=755 dags /opt/order-relay/dags
COPY --chmod=755 include/config /opt/order-relay/config
ENV AIRFLOW__CORE__DAGS_FOLDER=/opt/order-relay/dags \
    ORDER_RELAY_CONFIG=/opt/order-relay/config

WORKDIR /opt/airflow
