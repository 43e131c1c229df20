"""Credentials of vendors: how a request is authorized, and tokens that expire."""
