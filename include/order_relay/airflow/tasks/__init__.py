"""The tasks of the DAGs, one module per DAG, and their trigger forms.

Each task passes Airflow's context to the function of the same name in ``airflow.jobs``, which is imported when the task
runs: Airflow parses a DAG file before every task, and pandas, SQLAlchemy and aiohttp would be imported each time.
Task functions give the tasks their ids.
"""
