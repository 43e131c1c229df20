"""The only package besides ``dags/`` and ``plugins/`` that imports Airflow: connections and variables in, tasks out."""
