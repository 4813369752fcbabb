"""Curves through points, fitted in jobs."""
