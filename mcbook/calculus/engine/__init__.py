"""The derivation engine."""
