"""Airflow tasks, ready to be used by a DAG file; each imports its job when it runs, so that parsing stays fast."""
