"""The rules that raise alerts, and the daily digest."""
