"""The order desk: web pages for operators, inside Airflow's interface or alone. Does not import Airflow."""
