"""Connection arguments for Airflow's SQLite database: scheduler, API server and commands write to it concurrently."""

CONNECT_ARGS = {"timeout": 60}
"""Seconds to wait for a lock, where five are usual."""
