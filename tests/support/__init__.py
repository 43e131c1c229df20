"""Helpers of the tests: fixtures, fakes and builders that several test modules use."""
