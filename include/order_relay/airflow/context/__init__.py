"""What a task reads from its run: the request, XComs of earlier tasks, and the case of a review."""
