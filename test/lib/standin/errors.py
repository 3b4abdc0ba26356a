# SPDX-License-Identifier: Apache-2.0
"""What handlers raise to answer with an error in Qdrant's shape."""


class ApiError(Exception):
    def __init__(self, status, text, headers=None):
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}


def bad_json(text):
    return ApiError(400, f"Format error in JSON body: {text}")


def wrong_input(text):
    return ApiError(400, f"Wrong input: {text}")


def not_found(text):
    return ApiError(404, f"Not found: {text}")


def invalid(text):
    return ApiError(422, f"Validation error in JSON body: [{text}]")


def no_collection(name):
    return not_found(f"Collection `{name}` doesn't exist!")


def no_point(point_id):
    return not_found(f"No point with id {point_id} found")


STANDALONE = ApiError(405, "Qdrant is running in standalone mode")
