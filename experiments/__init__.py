"""From flags to a finished work directory."""
