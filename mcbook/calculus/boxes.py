"""The gradients that stand in boxes on the pages, in the pages' letters: one row for each.

A row is named after the equation under which the page derives it again, `page-equation`, with the variable
where the box holds several.  Three steps stand for T of them, and a known function for a general one.
"""

from mcbook.calculus.entries import Entry

_BPTT = "".join(
    f"A_{t} = X_{t} @ W_x.T + H_{t - 1} @ W_h.T + b; H_{t} = tanh(A_{t}); " for t in (1, 2, 3)
) + ("U = H_3 @ V.T + c; (sum(logsumexp(U, axis=1)) - sum(E * U)) / n")
_LETTERS = "X_1:5,4 X_2:5,4 X_3:5,4 W_x:3,4 W_h:3,3 b:3 H_0:5,3 V:2,3 c:2 E:5,2:onehot n::positive"
_GRU = (
    "s_r = W_r @ h_0; s_z = W_z @ h_0; s_m = W_m @ h_0; r = logistic(a_r + s_r); z = logistic(a_z + s_z); "
    "m = tanh(a_m + r * s_m); h_1 = z * h_0 + (1 - z) * m; h_bar @ h_1"
)
_GATES = "a_r:3 a_z:3 a_m:3 W_r:3,3 W_z:3,3 W_m:3,3 h_0:3 h_bar:3"
_RIDGE = "r = y - K @ alpha - P @ beta; sqnorm(r) + lam * (alpha @ K @ alpha)"
_LAYERS = "a_1 = W_s @ s + W_m @ m + b_1; h_1 = tanh(a_1); a_2 = W_2 @ h_1 + b_2; h_2 = tanh(a_2); "
_PROTEIN = "W_s:4,3 W_m:4,2 W_2:5,4 b_1:4 b_2:5 v:5 s:3 m:2"
_BAR = "A = K + kappa_1 * M_1 + kappa_2 * M_2; w = solve(A, b); w_bar @ w"
_RAIL = "K:4,4:spd M_1:4,4:spd M_2:4,4:spd kappa_1::positive kappa_2::positive b:4 w_bar:4"
_SGD = "".join(f"g_{t} = H_{t} @ w_{t} - c_{t}; w_{t + 1} = w_{t} - eta_{t} * g_{t}; " for t in (0, 1, 2)) + (
    "sqnorm(X @ w_3 - y) / 2"
)
_QUADRATICS = "H_0:3,3:symmetric H_1:3,3:symmetric H_2:3,3:symmetric c_0:3 c_1:3 c_2:3 w_0:3 "
_RATES = "X:5,3 y:5 eta_0::positive eta_1::positive eta_2::positive"
_MOMENTUM = (
    "v_1 = H_0 @ w_0 - c_0 + lam_0 * w_0; w_1 = w_0 - eta_0 * v_1; "
    "v_2 = beta_1 * v_1 + H_1 @ w_1 - c_1 + lam_1 * w_1; w_2 = w_1 - eta_1 * v_2; sqnorm(X @ w_2 - y) / 2"
)
_TWO_STEPS = (
    "H_0:3,3:symmetric H_1:3,3:symmetric c_0:3 c_1:3 w_0:3 X:5,3 y:5 eta_0::positive eta_1::positive "
    "beta_1::positive lam_0::positive lam_1::positive"
)
_STEPS = "J_0:3,3 J_1:3,3 J_2:3,3 B_0:3,2 B_1:3,2 B_2:3,2 theta_0:2 theta_1:2 theta_2:2 x_0:3 y:3"

BOXES: tuple[Entry, ...] = (
    Entry(
        "unmixing-grad",
        "unmixing",
        "Y = X @ W.T; sum(logcosh(Y)) / n - logdet(W)",
        "W:3,3:invertible X:5,3 n::positive",
        "W",
        letter="L",
    ),
    Entry(
        "unmixing-relative",
        "unmixing",
        "Y = X @ W.T; sum(logcosh(Y @ (I(3) + E).T)) / n - logdet(I(3) + E) - logdet(W)",
        "W:3,3:invertible X:5,3 E:3,3:small n::positive",
        "E",
        letter="L",
    ),
    Entry("splice-bptt, W_h", "splice", _BPTT, _LETTERS, "W_h", False, "L"),
    Entry("splice-bptt, W_x", "splice", _BPTT, _LETTERS, "W_x", False, "L"),
    Entry("splice-bptt, b", "splice", _BPTT, _LETTERS, "b", False, "L"),
    Entry("splice-gru-grad, h", "splice", _GRU, _GATES, "h_0", False, "L"),
    Entry("splice-gru-grad, W_z", "splice", _GRU, _GATES, "W_z", False, "L"),
    Entry("splice-gru-grad, W_m", "splice", _GRU, _GATES, "W_m", False, "L"),
    Entry(
        "kernels-grad, alpha",
        "kernels",
        _RIDGE,
        "y:5 K:5,5:symmetric alpha:5 P:5,2 beta:2 lam::positive",
        "alpha",
        letter="J",
    ),
    Entry(
        "kernels-grad, beta",
        "kernels",
        _RIDGE,
        "y:5 K:5,5:symmetric alpha:5 P:5,2 beta:2 lam::positive",
        "beta",
        letter="J",
    ),
    Entry(
        "kernels-grad-loo",
        "kernels",
        "B = inv(C); alpha = B @ y; b = diag(B); r = alpha / b; sqnorm(r) / n",
        "C:3,3:spd y:3 n::positive",
        "C",
        False,
        "L",
    ),
    Entry(
        "kernels-grad-evidence",
        "kernels",
        "alpha = solve(C, y); s = y @ alpha / n; n / 2 * log(s) + logdet(C) / 2",
        "C:3,3:spd y:3 n::positive",
        "C",
        letter="ell",
    ),
    Entry("sensitivity-chain, s", "sensitivity", _LAYERS + "v @ h_2", _PROTEIN, "s", False, "y"),
    Entry("sensitivity-chain, m", "sensitivity", _LAYERS + "v @ h_2", _PROTEIN, "m", False, "y"),
    Entry(
        "ridge-grad",
        "ridge",
        "w @ K @ w / 2 + kappa / 2 * (w @ M @ w) - b @ w",
        "K:4,4:symmetric M:4,4:symmetric kappa::positive w:4 b:4",
        "w",
        letter="J",
    ),
    Entry("ridge-adjoint-box, b", "ridge", _BAR, _RAIL, "b", letter="g"),
    Entry("ridge-adjoint-box, kappa", "ridge", _BAR, _RAIL, "kappa_1", letter="g"),
    Entry(
        "symmetry-conservation",
        "symmetry",
        "Q = sqdist(X); sum(B * (Q - L)**2) / 4",
        "B:4,4:symmetric X:4,3 L:4,4:symmetric",
        "X",
        letter="E",
    ),
    Entry(
        "correction-terms",
        "correction",
        "z = q / sigma; d = z - z_j; k = exp(-sqnorm(d) / 2); k * (a_j + d @ w_j)",
        "q:3 z_j:3 sigma::positive a_j: w_j:3",
        "q",
        letter="f",
    ),
    Entry(
        "diffusion-score",
        "diffusion",
        "u = c - sqdist(mu, x.T) / (2 * sigma**2); logsumexp(u)",
        "x:3 c:4 mu:4,3 sigma::positive",
        "x",
        letter="ell",
    ),
    Entry("schedules-grad", "schedules", _SGD, _QUADRATICS + _RATES, "eta_0", False, "F"),
    Entry("schedules-momentum-grad, lam", "schedules", _MOMENTUM, _TWO_STEPS, "lam_0", False, "F"),
    Entry("schedules-momentum-grad, eta", "schedules", _MOMENTUM, _TWO_STEPS, "eta_0", False, "F"),
    Entry("schedules-momentum-grad, beta", "schedules", _MOMENTUM, _TWO_STEPS, "beta_1", False, "F"),
    Entry(
        "schedules-implicit",
        "schedules",
        "w = solve(H + lam * I(3), c); sqnorm(X @ w - y) / 2",
        "H:3,3:spd lam::positive c:3 X:5,3 y:5",
        "lam",
        letter="F",
    ),
    Entry(
        "thread-box",
        "thread",
        "".join(f"x_{t + 1} = J_{t} @ x_{t} + B_{t} @ theta_{t}; " for t in (0, 1, 2))
        + "sqnorm(x_3 - y) / 2",
        _STEPS,
        "theta_0",
        letter="L",
    ),
)
