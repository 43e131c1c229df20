"""Write-back to sources: acknowledgements, feedback steps, marks of offline orders, and cancellations."""
