"""Audits: does a model use its information, does its evaluation keep the future out, and are its claims true."""
