"""The kernels as viper source, compiled on the board: see kernels.py.

One blank deep and with short names, because this text is in the bytecode as it stands.

mask_copy: words where both sides are equally aligned (an unaligned word access traps on Xtensa).
utf8_check: `l` to `h` is the range that the next byte must be in, `u` how many are due; the
state packs them as l << 16 | h << 8 | u << 1. Four bytes of ASCII are passed over at a time.
"""

SOURCE = """
@micropython.viper
def mask_copy(t,to:int,s,a:int,n:int,key:int):
 d=int(ptr8(t))+to
 p=int(ptr8(s))+a
 k=ptr8(int(ptr8(t))+key)
 e=d+n
 if (d|p)&3==0:
  w=int(k[0])|int(k[1])<<8|int(k[2])<<16|int(k[3])<<24
  while d+32<=e:
   x=ptr32(d)
   y=ptr32(p)
   x[0]=int(y[0])^w
   x[1]=int(y[1])^w
   x[2]=int(y[2])^w
   x[3]=int(y[3])^w
   x[4]=int(y[4])^w
   x[5]=int(y[5])^w
   x[6]=int(y[6])^w
   x[7]=int(y[7])^w
   d+=32
   p+=32
 x8=ptr8(d)
 y8=ptr8(p)
 i=0
 n=e-d
 while i<n:
  x8[i]=int(y8[i])^int(k[i&3])
  i+=1
@micropython.viper
def utf8_check(a,i:int,end:int,s:int)->int:
 p=int(ptr8(a))
 d=ptr8(p)
 if s==1:
  return 1
 l=s>>16
 h=s>>8&255
 u=s>>1&3
 while i<end:
  if u==0:
   while (p+i)&3 and i<end and int(d[i])<128:
    i+=1
   if (p+i)&3==0:
    while i+4<=end:
     w=ptr32(p+i)
     if int(w[0])&int(0x80808080):
      break
     i+=4
   if i>=end:
    break
   c=int(d[i])
   i+=1
   if c<128:
    continue
   if c<0xC2 or c>0xF4:
    return 1
   l=0x80
   h=0xBF
   u=1 if c<0xE0 else 2 if c<0xF0 else 3
   if c==0xE0:
    l=0xA0
   if c==0xED:
    h=0x9F
   if c==0xF0:
    l=0x90
   if c==0xF4:
    h=0x8F
  else:
   c=int(d[i])
   i+=1
   if c<l or c>h:
    return 1
   l=0x80
   h=0xBF
   u-=1
 return l<<16|h<<8|u<<1 if u else 0
"""
