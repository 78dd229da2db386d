"""What all commands share: context, output, errors, index."""
