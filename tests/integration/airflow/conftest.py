"""These tests import Airflow, and get one of their own."""

from __future__ import annotations

from tests.support import airflow_home as own_airflow

own_airflow.settle()
