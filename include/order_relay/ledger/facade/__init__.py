"""The methods of ``Ledger``, one transaction each; to be replaced by repositories."""
