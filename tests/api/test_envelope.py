"""The envelope of ``/api``, for answers and for errors."""

from app.api.envelope import error_response, success
from app.core.errors import TooManyRequests, Unauthorized


def test_success_has_code_zero():
    response = success({"balance": "0.2"})
    assert response.status_code == 200
    assert response.get_json() == {"code": 0, "message": "success", "data": {"balance": "0.2"}}
    assert response.headers["Cache-Control"] == "no-store"


def test_error_says_reason_field_and_facts():
    error = Unauthorized("Send a key.", field="Authorization", facts={"limit": 3})
    response = error_response(error)
    assert response.status_code == 401
    assert response.get_json() == {
        "code": 40100,
        "message": "Send a key.",
        "data": {"reason": "unauthorized", "limit": 3, "field": "Authorization"},
    }
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_error_without_a_field_names_none():
    response = error_response(TooManyRequests(retry_after_s=7))
    assert response.headers["Retry-After"] == "7"
    assert "field" not in response.get_json()["data"]
