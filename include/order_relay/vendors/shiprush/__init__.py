"""ShipRush Web, "Custom SS Style" store: it polls our order feed and sends us shipment notices."""
