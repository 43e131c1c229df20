"""Commands that set up, serve and maintain an installation."""
