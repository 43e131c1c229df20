"""The order desk inside Airflow: its users and permissions, and what the desk needs from its host."""
