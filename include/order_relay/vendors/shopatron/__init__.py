"""Shopatron (Kibo classic OMS), the destination of orders."""
