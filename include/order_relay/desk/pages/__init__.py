"""The pages. Each module has a ``router``; ``web_app.create_app`` includes them all."""
