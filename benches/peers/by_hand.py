"""The objective, its gradient and the score with every derivative derived by hand.

The functions take the array library, torch or jax.numpy, as their first argument.

Layer l of the network is z_l = W_l h_{l−1} + b_l, h_l = a(z_l), with h_0 = [t, x1, x2]; the output is
φ = w·h_3 + b. Write a', a'', a''' for the derivatives of a at z_l.

*Score.* With c_3 = w and, downwards, d_l = a' c_l, c_{l−1} = W_lᵀ d_l, the score is the part of c_0
that belongs to x.

*Denoising.* The gradient of mean (s − y)² in the parameters is that of Σ v·∇φ with the frozen
direction v = ∂mean/∂s. A dot denotes the derivative along v: ḣ_0 = [0, v], ż_l = W_l ḣ_{l−1},
ḣ_l = a' ż_l. In the reverse pass of Σ w·ḣ_3 the adjoint of ż_l is the d_l of the score, and those of
z_l and h_{l−1} are q_l = a' p_l + a'' c_l ż_l and p_{l−1} = W_lᵀ q_l, from p_3 = 0. Then
∂W_l = q_l h_{l−1}ᵀ + d_l ḣ_{l−1}ᵀ, ∂b_l = q_l, ∂w = ḣ_3, summed over points. Per point that is 12
products of 80 × 80.

*Residual.* The derivatives h_k along x_k go forward first, and give s. Freeze u = [1, −(x + s)] and
take M = u·∇_{t,x} − ½ Δ, of which Mφ = φ_t − x·s − |s|² − ½ Δφ; hence ε = Mφ − 2 + ½ |s|², and for
frozen u the derivative of Mφ in the parameters is that of ε. M goes forward by
z_M = W_l h_M, h_M = a' z_M − ½ a'' Σ_k z_k², the forward Laplacian of Li et al. (Nature Machine
Intelligence 6, 2024) with a drift. Its adjoints, with capitals for the adjoint of each letter and
r = 2 w_R ε / n at every point: H_M = r w, H_k = H = 0 at the top,

    Z_M = a' H_M,    Z_k = a' H_k − a'' z_k H_M,
    Z = a' H + a'' (Σ_k z_k H_k + z_M H_M) − ½ a''' Σ_k z_k² H_M,

and ∂W_l = Σ over the four streams of Z h_{l−1}ᵀ. Per point that is 24 products of 80 × 80.
"""

import problem

BETA = problem.BETA


def activation(np, z):
    """a = Softplus_β, and a' = sigmoid(β z), from one exponential that cannot overflow."""
    e = np.exp(-BETA * np.abs(z))
    inverse = 1.0 / (1.0 + e)
    positive = z > 0
    return np.where(positive, z, 0.0) + np.log1p(e) / BETA, np.where(positive, inverse, e * inverse)


def values(np, parameters, t, x):
    """The inputs h_1 … h_3 of the layers above the first, and the slopes a' of layers 1 to 3."""
    w1, b1, w2, b2, w3, b3, _, _ = parameters
    # With three inputs a matrix product is not worth its call.
    z = t * w1[:, 0] + x[:, :1] * w1[:, 1] + x[:, 1:] * w1[:, 2] + b1
    h, slope = activation(np, z)
    hs, slopes = [h], [slope]
    for w, b in ((w2, b2), (w3, b3)):
        h, slope = activation(np, h @ w.T + b)
        hs.append(h)
        slopes.append(slope)
    return hs, slopes


def adjoints(parameters, slopes):
    """d_1, d_2 and d_3."""
    w2, w3, w = parameters[2], parameters[4], parameters[6]
    d3 = slopes[2] * w
    d2 = slopes[1] * (d3 @ w3)
    return [slopes[0] * (d2 @ w2), d2, d3]


def score(np, parameters, t, x):
    """s(x, t), [n, 2]."""
    _, slopes = values(np, parameters, t, x)
    return adjoints(parameters, slopes)[0] @ parameters[0][:, 1:]


def outer(a, b):
    """Σ over points of a bᵀ."""
    return a.T @ b


def denoising(np, parameters, t, x, y, points):
    """Σ (s − y)² / (2 points) and its gradient, laid out like the parameters."""
    w1, _, w2, _, w3, _, _, _ = parameters
    hs, slopes = values(np, parameters, t, x)
    ds = adjoints(parameters, slopes)
    errors = ds[0] @ w1[:, 1:] - y
    loss = (errors * errors).sum() / (2 * points)
    v = errors / points
    zdots = [v[:, :1] * w1[:, 1] + v[:, 1:] * w1[:, 2]]
    hdots = [slopes[0] * zdots[0]]
    for l, matrix in ((1, w2), (2, w3)):
        zdots.append(hdots[-1] @ matrix.T)
        hdots.append(slopes[l] * zdots[l])
    # a'' c ż, where a'' = β a' (1 − a') and d = a' c.
    curved = [BETA * (1 - s) * d * zdot for s, d, zdot in zip(slopes, ds, zdots)]
    q3 = curved[2]
    q2 = slopes[1] * (q3 @ w3) + curved[1]
    q1 = slopes[0] * (q2 @ w2) + curved[0]
    gradient = [
        np.concatenate([(q1 * t).sum(0)[:, None], outer(q1, x) + outer(ds[0], v)], 1),
        q1.sum(0),
        outer(q2, hs[0]) + outer(ds[1], hdots[0]),
        q2.sum(0),
        outer(q3, hs[1]) + outer(ds[2], hdots[1]),
        q3.sum(0),
        hdots[2].sum(0)[None],
        np.zeros_like(parameters[7]),
    ]
    return loss, gradient


def residual(np, parameters, t, x, weight, points):
    """weight · Σ ε² / points and its gradient, laid out like the parameters."""
    w1, _, w2, _, w3, _, w, _ = parameters
    hs, slopes = values(np, parameters, t, x)
    seconds = [BETA * s * (1 - s) for s in slopes]
    # The streams of ∂_1 and ∂_2, and with them the score.
    zk = [[w1[:, 1], w1[:, 2]]]
    hk = [[slopes[0] * z for z in zk[0]]]
    for l, matrix in ((1, w2), (2, w3)):
        zk.append([h @ matrix.T for h in hk[-1]])
        hk.append([slopes[l] * z for z in zk[-1]])
    s = np.concatenate([h @ w.T for h in hk[2]], 1)
    # The stream of M.
    u = -(x + s)
    squares = [a * a + b * b for a, b in zk]
    zm = [w1[:, 0] + u[:, :1] * w1[:, 1] + u[:, 1:] * w1[:, 2]]
    hm = [slopes[0] * zm[0] - 0.5 * seconds[0] * squares[0]]
    for l, matrix in ((1, w2), (2, w3)):
        zm.append(hm[-1] @ matrix.T)
        hm.append(slopes[l] * zm[l] - 0.5 * seconds[l] * squares[l])
    epsilon = hm[2] @ w.T - 2 + 0.5 * (s * s).sum(1)[:, None]
    loss = weight * (epsilon * epsilon).sum() / points
    # Down again, with the adjoints of the four streams above the layer at hand.
    r = (2 * weight / points) * epsilon
    above_m, above_k, above = r * w, [0.0, 0.0], 0.0
    gradient = [np.zeros_like(parameters[7]), (r * hm[2]).sum(0)[None]]
    for l, matrix in ((2, w3), (1, w2), (0, None)):
        third = BETA * seconds[l] * (1 - 2 * slopes[l])
        products = zk[l][0] * above_k[0] + zk[l][1] * above_k[1] + zm[l] * above_m
        at_m = slopes[l] * above_m
        at_k = [slopes[l] * a - seconds[l] * z * above_m for a, z in zip(above_k, zk[l])]
        at = slopes[l] * above + seconds[l] * products - 0.5 * third * squares[l] * above_m
        gradient.append(at.sum(0))
        if l > 0:
            below = zip((at, at_m, *at_k), (hs[l - 1], hm[l - 1], *hk[l - 1]))
            gradient.append(sum(outer(a, h) for a, h in below))
            above_m, above = at_m @ matrix, at @ matrix
            above_k = [a @ matrix for a in at_k]
    in_t = (at * t + at_m).sum(0)[:, None]
    in_x = outer(at, x) + outer(at_m, u) + np.stack([a.sum(0) for a in at_k], 1)
    gradient.append(np.concatenate([in_t, in_x], 1))
    return loss, gradient[::-1]
