"""What we serve over HTTP: one small app for each vendor that calls us, on Airflow's API server or alone."""
