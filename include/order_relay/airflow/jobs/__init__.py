"""What the tasks do, one module per DAG. These modules import the engine; tasks import them when they run."""
