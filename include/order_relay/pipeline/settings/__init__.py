"""The YAML file of a pipeline or status account: its sections, defaults and checks."""
