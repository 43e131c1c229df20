"""What the tasks do: one module for each group of tasks, importing the engine."""
