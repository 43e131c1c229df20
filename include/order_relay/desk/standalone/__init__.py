"""The order desk without Airflow's users: accounts of the connection ``order_relay_desk``, login and sessions."""
