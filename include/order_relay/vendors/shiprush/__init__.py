"""ShipRush Web ("Custom SS Style" store): polls our order feed and sends shipment notices."""
