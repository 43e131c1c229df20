"""These tests import Airflow, and get one of their own."""

from __future__ import annotations

import own_airflow

own_airflow.settle()
