"""All code that imports Airflow, apart from ``dags/`` and ``plugins/``: connections in, DAGs and tasks out."""
