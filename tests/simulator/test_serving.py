"""Does a simulated service that cannot start say why?"""

from pathlib import Path

import pytest

from simulator.payments_service import PaymentsService
from simulator.serving import serving


@pytest.mark.timeout(600)
def test_a_service_whose_certificate_is_none_ends_at_once_and_says_why(tmp_path: Path) -> None:
    (tmp_path / "server.pem").write_text("no certificate")

    with (
        pytest.raises(
            RuntimeError, match=r"did not start: \[SSL\] PEM lib .*; see whether its certificate can be read"
        ),
        serving(PaymentsService(now=lambda: 0).application(), certificate=tmp_path / "server.pem"),
    ):
        pass
