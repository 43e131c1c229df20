"""The services of ``docker-compose.yaml``, started by hand: ``scripts/cluster.sh``."""
