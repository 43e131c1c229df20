"""What became of imported orders at their destination: questions, statuses, counts."""
