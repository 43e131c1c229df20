"""The Shopatron (Kibo classic) OMS, simulated: token, importOrder, search, get order, catalogue."""
