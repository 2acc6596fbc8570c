"""Bulk bytes over HTTP with AWS signatures: S3 packs and EBS blocks share it.

`sigv4` signs, `transport` moves, `aws_answers` says what a refusal of AWS means. It is here because a general AWS
client costs five times the CPU per 512 KiB block; everything that is not bulk goes through botocore elsewhere.

This package must never know what the bytes mean, nor where credentials come from: they are handed in with each
signature, and so is the time. Read `transport.py` first.
"""
