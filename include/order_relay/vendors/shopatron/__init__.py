"""Shopatron (Kibo classic OMS), where orders are fulfilled. ``vendor`` is the way in."""
