"""CloudSuite, a web-shop platform, where buyers place orders; its documented facts stand in README.md."""
