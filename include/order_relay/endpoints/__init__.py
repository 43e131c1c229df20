"""HTTP endpoints: one small app for each vendor that calls us, on Airflow's API server or standalone."""
