"""What ``check`` and ``preflight`` share: findings, and the report that is made of them."""
