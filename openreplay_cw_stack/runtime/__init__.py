"""The code of the Lambda functions. Standard library and the runtime's own boto3 only."""
