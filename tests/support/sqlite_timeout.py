"""For Airflow's database under attack: scheduler, API server and commands all write to one SQLite file at once."""

CONNECT_ARGS = {"timeout": 60}
"""Seconds to wait for a lock, where five are usual."""
