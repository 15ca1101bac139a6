"""Compositional checks: does a picture agree with its caption rather than with one that differs in one thing?"""
