"""Metrics through Airflow's StatsD or OpenTelemetry client, and attributes on the trace spans of its tasks."""
