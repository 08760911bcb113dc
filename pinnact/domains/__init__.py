"""Where an equation holds: named coordinates, points inside and on the boundary, normals, distances."""

from pinnact.domains.base import Domain as Domain
from pinnact.domains.box import Box as Box
from pinnact.domains.box import Interval as Interval
from pinnact.domains.box import Rectangle as Rectangle
from pinnact.domains.charts import Points as Points
from pinnact.domains.cloud import PointCloud as PointCloud
from pinnact.domains.csg import Combination as Combination
from pinnact.domains.ellipsoid import Ball as Ball
from pinnact.domains.ellipsoid import Disk as Disk
from pinnact.domains.ellipsoid import Ellipse as Ellipse
from pinnact.domains.ellipsoid import Ellipsoid as Ellipsoid
from pinnact.domains.mesh import Mesh as Mesh
from pinnact.domains.mesh import read_mesh as read_mesh
from pinnact.domains.polygon import Polygon as Polygon
from pinnact.domains.regions import Boundary as Boundary
from pinnact.domains.regions import Piece as Piece
from pinnact.domains.regions import Region as Region
from pinnact.domains.time import SpaceTime as SpaceTime
from pinnact.domains.time import Time as Time
