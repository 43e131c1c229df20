"""Files from outside: file servers and mailboxes, through the hooks of Airflow's providers."""
