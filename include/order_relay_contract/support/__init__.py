"""What the tests have in common: accounts at stand-ins, their clock, credentials that can be searched for."""
