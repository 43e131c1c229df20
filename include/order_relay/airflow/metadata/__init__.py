"""Reads what Airflow stores: connections, Variables, the stop switch, and which DAGs are paused."""
