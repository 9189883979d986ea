"""What runs in AWS Lambda. Standard library and the runtime's own boto3 only."""
