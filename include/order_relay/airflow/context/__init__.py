"""What a task reads from its run: the request, results of earlier tasks in XCom, and the review it is about."""
