"""What Airflow stores outside a run: connections, Variables, the stop switch and paused DAGs."""
