"""The gas relayer: sends calls that others decided on, from accounts that hold nothing but gas."""
